import { lastOfPath, mount } from "../shared/mount";
import { EditPage } from "./EditPage";
import "./edit.css";

mount(<EditPage id={lastOfPath() || "new"} />);
