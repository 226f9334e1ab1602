import { mount } from "../shared/mount";
import { AdminPage } from "./AdminPage";
import "./admin.css";

mount(<AdminPage />);
