"""What options may be: refused when the pipeline is read, before a point or pixel is.

Imports `flowbutton.model`, pydantic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, Field

from flowbutton.model.errors import OptionError
from flowbutton.model.units import Unfit

Above0 = Annotated[float, Field(gt=0, allow_inf_nan=False)]
AtLeast0 = Annotated[float, Field(ge=0, allow_inf_nan=False)]
AtLeast1 = Annotated[int, Field(ge=1)]
PointClass = Annotated[int, Field(ge=0, le=255)]
"""A class of points, as LAS 1.4 stores it."""


def when_read(check: Callable[[str], object]) -> AfterValidator:
    """Return what refuses an option's text, when the pipeline is read, as ``check`` does by an `OptionError`."""

    def checked(text: str) -> str:
        try:
            check(text)
        except OptionError as error:
            raise Unfit(f"{error.what}: {error.why}" if error.why else error.what, hint=error.hint) from error
        return text

    return AfterValidator(checked)
