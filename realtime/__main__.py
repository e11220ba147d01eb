from realtime.cli import app

app()
