"""What sessions were given and gave: buffers that are bound, arrays that are fed, copies between host and GPU."""
