"""Files repaired on this machine, without Ray."""
