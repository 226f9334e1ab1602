"""What the tests share: a reference application, links without sockets, a scripted world."""
