from server.web.process import run
from server.wire.process import ModelWorkerProcess
from server.worker.local.app import create_app

if __name__ == "__main__":
    run(ModelWorkerProcess, create_app)
