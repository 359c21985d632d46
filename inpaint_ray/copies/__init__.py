"""Whole archives restored from several copies of each recording: a restoration whose actors look into copies, too."""
