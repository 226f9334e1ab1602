import { mount } from "../shared/mount";
import { HomePage } from "./HomePage";
import "./home.css";

mount(<HomePage />);
