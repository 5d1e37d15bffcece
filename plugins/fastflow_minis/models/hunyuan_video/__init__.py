"""`hunyuan_video_mini`: a HunyuanVideoPipeline that films moving shapes."""
