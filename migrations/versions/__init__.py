"""One file per schema change, each going down as well as up."""
