"""What keeps: SQLite, embedded, with group commit."""

from holdfast.storage.database import Database, Executed
from holdfast.storage.durability import Durability

__all__ = ["Database", "Durability", "Executed"]
