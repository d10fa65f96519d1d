"""Every way to spoil a plan that the tests know: importing a file of spoilings registers them."""

from __future__ import annotations

import spoil_books
import spoil_service
import spoil_stock
from spoil import MUTATIONS

FILES = (spoil_stock, spoil_service, spoil_books)
__all__ = ["FILES", "MUTATIONS"]
