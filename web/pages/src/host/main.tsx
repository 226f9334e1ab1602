import { lastOfPath, mount } from "../shared/mount";
import { HostPage } from "./HostPage";
import "./host.css";

const event = lastOfPath();
if (event === "") location.replace("/");
else mount(<HostPage event={event} />);
