"""The operations of a site: each takes the desk, the call and the path's id, and gives the answer's object."""
