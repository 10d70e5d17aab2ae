//! The git program: resolving, mirroring, checking out.
