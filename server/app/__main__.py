from server.app.app import create_app
from server.web.process import run
from server.wire.process import AppProcess

if __name__ == "__main__":
    run(AppProcess, lambda settings, drain, say, _address: create_app(settings, drain, say))
