"""Mailboxes at gateways: what is put in waits for its reader, and the gateway knows neither him nor what it is."""

from holdfast.mailbox.address import GatewayAddress
from holdfast.mailbox.client import MailboxClient
from holdfast.mailbox.key import MailboxKey, mailbox_of
from holdfast.mailbox.path import Direct, GatewayPath, Socks, TwoHop
from holdfast.mailbox.settings import GatewaySettings, MailboxSettings

__all__ = [
    "Direct",
    "GatewayAddress",
    "GatewayPath",
    "GatewaySettings",
    "MailboxClient",
    "MailboxKey",
    "MailboxSettings",
    "Socks",
    "TwoHop",
    "mailbox_of",
]
