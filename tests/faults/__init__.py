"""What a network, a server and a caller can do to a client, over real sockets."""
