#!/bin/sh
# workerd that goes when whoever started it goes, killed or not. WORKERD is the program itself.
exec setpriv --pdeathsig KILL "$WORKERD" "$@"
