import { lastOfPath, mount } from "../shared/mount";
import { ScreenPage } from "./ScreenPage";
import "./screen.css";

const event = lastOfPath();
if (event === "") location.replace("/");
else mount(<ScreenPage event={event} />);
