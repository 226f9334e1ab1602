import { mount } from "../shared/mount";
import { BridgePage } from "./BridgePage";
import "./bridge.css";

mount(<BridgePage />);
