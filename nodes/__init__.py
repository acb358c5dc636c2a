"""The nodes, in the order the data goes: graph tensors, request, journal, submit, poll, download, frames."""
