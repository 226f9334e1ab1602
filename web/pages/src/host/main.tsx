import { lastOfPath, mount } from "../shared/mount";
import { followPersonalLinks } from "../shared/seats";
import { HostPage } from "./HostPage";
import "./host.css";

const event = lastOfPath();
if (event === "") location.replace("/");
else {
  followPersonalLinks();
  mount(<HostPage event={event} />);
}
