"""Programs on the floors below; each uses only their public names."""

__all__: list[str] = []
