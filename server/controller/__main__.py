from server.controller.app import create_app
from server.web.process import run
from server.wire.process import ControllerProcess

if __name__ == "__main__":
    run(ControllerProcess, lambda settings, drain, _say, _address: create_app(settings, drain))
