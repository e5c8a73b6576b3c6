"""Opening a store by its URI. Imports `model.registry`; the store's own module is loaded when first used."""

from __future__ import annotations

from flowbutton.model.registry import load
from flowbutton.model.store import Store
from flowbutton.stores.uris import scheme_of


def open_store(uri: str) -> Store:
    """Open the store at ``uri``; a plain path is a local folder. Nothing is created before the first put.

    Raises:
        OptionError: no store is registered for the scheme; the hint lists those that are.
        MissingExtra: the store's library is not installed.
    """
    if uri.startswith("intermediates:"):  # two stores in one URI, which no one writes
        from flowbutton.stores.intermediates import Intermediates

        return Intermediates.open(uri)
    store = load("stores", scheme_of(uri)).open(uri)
    if not isinstance(store, Store):
        raise TypeError(f"the store registered as '{scheme_of(uri)}' is not a flowbutton.model.store.Store")
    return store
