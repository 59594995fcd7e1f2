# A VM test to copy: it imports the module and waits for both units. It needs nixpkgs, so it is not one of the checks here;
# with nixpkgs among the inputs:
#   checks.x86_64-linux.boot = import ./tests/boot.nix { inherit self; pkgs = nixpkgs.legacyPackages.x86_64-linux; };
{ self, pkgs }:
pkgs.testers.runNixOSTest {
  name = "inventree-boot";
  nodes.machine = {
    imports = [ self.nixosModules.default ];
    services.inventree.enable = true;
  };
  testScript = ''
    machine.wait_for_unit("inventree-server.service", timeout=660)
    machine.wait_for_unit("inventree-cluster.service", timeout=660)
  '';
}
