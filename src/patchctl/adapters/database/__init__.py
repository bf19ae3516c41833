"""The state database: the only place that knows SQLAlchemy and Alembic."""

from .database import Database

__all__ = ["Database"]
