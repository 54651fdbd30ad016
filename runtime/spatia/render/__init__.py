"""Draws the walk: the cloud and everything shown over it, into whatever framebuffer is bound. Main thread, OpenGL."""
