import { cleanCode } from "../shared/names";
import { lastOfPath, mount } from "../shared/mount";
import { followPersonalLinks } from "../shared/seats";
import { PlayPage } from "./PlayPage";
import "./play.css";

const code = cleanCode(lastOfPath());
if (code === null) location.replace("/");
else {
  followPersonalLinks();
  mount(<PlayPage code={code} />);
}
