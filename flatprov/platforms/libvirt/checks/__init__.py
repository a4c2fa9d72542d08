"""Named checks of a libvirt host, shared by the doctor and by the plugin before it makes anything.

One module for each thing that is looked at. A check touches nothing on the host and gives findings.
"""
