"""What the package of a vaccine or drug says of it, as one value whatever kind of code it bears.

疫苗管理法 第四十六条 asks of each vaccination for 最小包装单位的识别信息 and 有效期: that is this. It names no person.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class LabelScheme(StrEnum):
    """Which kind of code it was."""

    GS1 = "gs1"
    TRACE_CODE = "trace_code"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductLabel:
    """One package; None: the code does not say.

    Attributes:
        scheme: Which kind of code said so.
        gtin: Global trade item number, 14 digits, its check digit right.
        product_code: What stands for the product in a trace code.
        lot: 批号, 1..20 characters.
        produced: Day of production.
        expiry: Last day it may be used.
        serial: What tells this package from others of the product.
    """

    scheme: LabelScheme
    gtin: str | None = None
    product_code: str | None = None
    lot: str | None = None
    produced: date | None = None
    expiry: date | None = None
    serial: str | None = None

    def as_texts(self) -> dict[str, str]:
        """What the code says, for whoever shows or files it: attribute and text, days as YYYY-MM-DD, without None."""
        days = {"produced": self.produced, "expiry": self.expiry}
        texts = {
            "gtin": self.gtin,
            "product_code": self.product_code,
            "lot": self.lot,
            **{name: None if day is None else day.isoformat() for name, day in days.items()},
            "serial": self.serial,
        }
        return {name: text for name, text in texts.items() if text is not None}
