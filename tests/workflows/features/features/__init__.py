"""One of everything that `pyflyte package` puts into a package. Nothing of it is ever run."""
