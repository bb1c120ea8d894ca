"""One module a family of readers; `drivers.registry` names them."""
