namespace Accelerated.System.Tests.Systemd;

/// <summary>All tests that share the machines.</summary>
[CollectionDefinition(MachineTest.Name)]
public sealed class SharedMachines : ICollectionFixture<Machines>;
