"""Every use of another library's private parts, one module or package for each library.

Each states the release it was written for and has tests that fail when the library changes under
it. Nothing outside of here touches a private name, a module that is not public, or an object whose
class is not. Only the media worker and the link import this; the mixer never does.
"""
