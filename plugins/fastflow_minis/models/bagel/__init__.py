"""`bagel_mini`: a BAGEL that draws scenes and edits them."""
