"""What a gateway has to know to be started."""

import dataclasses
import pathlib

CATALOGUE = "catalogue.v1.Catalogue"


@dataclasses.dataclass(frozen=True)
class Setting:
    """Where a gateway stands."""

    door: str
    port: int
    # The backend's `host:port`.
    backend: str
    descriptor: pathlib.Path
    # Services beside the catalogue.
    more_services: int
    # For what it writes.
    folder: pathlib.Path

    @property
    def services(self) -> list[str]:
        return [CATALOGUE] + [f"more.v1.Service{number}" for number in range(self.more_services)]
