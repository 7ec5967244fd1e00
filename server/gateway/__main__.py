from server.gateway.app import create_app
from server.web.process import run
from server.wire.process import GatewayProcess

if __name__ == "__main__":
    run(
        GatewayProcess,
        lambda settings, drain, say, address: create_app(settings, drain, address, say=say),
    )
