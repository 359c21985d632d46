"""The errors that people meet: each message names the file or flag, what is wrong, and the remedy."""

SOME_FAILED = 3  # exit code of a job that did all but some files


class InpaintError(Exception):
    """Something that a person must know or mend; a job prints it as one line, without a traceback."""


class UsageError(InpaintError, ValueError):
    """A flag or argument that cannot work: a wrong value, a missing input, an output that holds something else."""


class AudioDecodeError(InpaintError):
    """One file that gives no audio; the message is the reason, without the file's name (the caller knows it)."""


class StorageError(InpaintError):
    """Storage that does not answer, or refuses: a wrong key, no right to read or write, a full disk."""


class UnreadableError(StorageError):
    """A file that cannot be read this time: an input/output error, a network that is away; it may be sound."""


class FileNameError(InpaintError, ValueError):
    """A name that a file system cannot hold: too long, or that of a folder."""


class DatasetError(InpaintError):
    """A folder of shards that is absent, unfinished or damaged."""


class CheckpointError(InpaintError):
    """A checkpoint that is absent, incomplete or damaged."""


class JobFailedError(InpaintError):
    """A job that ran and could not give what was asked for."""
