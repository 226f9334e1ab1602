import { mount } from "../shared/mount";
import { ChatPage } from "./ChatPage";
import "./chat.css";
import "./talk.css";
import "./bar.css";

mount(<ChatPage />);
