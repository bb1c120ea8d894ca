"""What the city node promised and could not do."""


class CityError(Exception):
    """Root of every error of this package."""


class AuthorityError(CityError):
    """A request to the authority cannot be carried out (an unknown card, a node that was never made)."""
