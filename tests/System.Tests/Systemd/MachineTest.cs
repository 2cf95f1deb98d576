using Accelerated.Lab;

namespace Accelerated.System.Tests.Systemd;

/// <summary>Base of the tests on machines with a real systemd. If one fails, the ends of the journals go with the result.</summary>
[Collection(Name)]
public abstract class MachineTest(Machines machines, ITestOutputHelper output) : IAsyncDisposable
{
    /// <summary>The collection that shares the machines.</summary>
    public const string Name = "machines";

    /// <summary>The unit.</summary>
    protected const string Unit = "accelerated";

    /// <summary>The machines.</summary>
    protected Machines Machines { get; } = machines;

    /// <summary>The machine that most tests are about.</summary>
    protected SystemdMachine One => Machines.One;

    /// <summary>For measurements.</summary>
    protected ITestOutputHelper Output { get; } = output;

    /// <summary>Ends with the test.</summary>
    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (TestContext.Current.TestState?.Result == TestResult.Failed)
        {
            foreach (var machine in (SystemdMachine[])[Machines.One, Machines.Two, Machines.Three])
                Output.WriteLine($"--- {machine.Name}\n{await machine.JournalTailAsync()}");
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Waits until the service is ready and carries packets with etcd's blessing.</summary>
    protected static Task WaitReadyAsync(SystemdMachine machine) => machine.WaitAsync("a service that is well", async () =>
        await machine.ShowAsync(Unit, "ActiveState") == "active" && await machine.StatusAsync() is { } status && (bool)status["ready"]! && !(bool)status["provisional"]!, cancel: Cancel);

    /// <summary>How often systemd started the service again by itself.</summary>
    protected static async Task<int> RestartsAsync(SystemdMachine machine) => int.Parse(await machine.ShowAsync(Unit, "NRestarts"));

    /// <summary>The service's process.</summary>
    protected static async Task<int> ProcessAsync(SystemdMachine machine) => int.Parse(await machine.ShowAsync(Unit, "MainPID"));
}
