"""A router of one's own: a private network of muds on one machine."""

from holdfast.apps.i3.router.router import Router
from holdfast.apps.i3.router.settings import RouterSettings
from holdfast.apps.i3.router.store import MIGRATIONS, forget_password

__all__ = ["MIGRATIONS", "Router", "RouterSettings", "forget_password"]
