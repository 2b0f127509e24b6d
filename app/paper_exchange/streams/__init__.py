"""The stream side: who listens to what, what events look like on the wire, and sockets that cannot stall others."""
