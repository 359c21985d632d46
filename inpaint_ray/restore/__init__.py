"""A whole archive of damaged audio restored on Ray Data, with a manifest and a report."""
