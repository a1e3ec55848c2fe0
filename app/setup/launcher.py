from app.cli.main import main as launch
