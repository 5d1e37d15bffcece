"""`hunyuan_video_mini`: a HunyuanVideoPipeline that makes videos of moving shapes."""
