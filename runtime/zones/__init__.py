"""Lines and areas in the picture, and the tracks that cross them."""

from stc.runtime.zones.count import ZoneEvent, ZoneReport, Zones
from stc.runtime.zones.file import read_zones
from stc.runtime.zones.zone import Zone

__all__ = ["Zone", "ZoneEvent", "ZoneReport", "Zones", "read_zones"]
