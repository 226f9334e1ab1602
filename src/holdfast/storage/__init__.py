"""What keeps: SQLite, embedded, with group commit."""

from holdfast.storage.sqlite import Database

__all__ = ["Database"]
