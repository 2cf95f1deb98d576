using Accelerated.Agent.Reconcile;
using Accelerated.Interop;
using Accelerated.Interop.Systemd;
using Microsoft.Extensions.Logging;

namespace Accelerated.Agent.Bus;

/// <summary>
/// The agent's connection to the system bus, on a thread of its own: what waits for another service never keeps packets waiting. A host without a bus, or
/// without one of the services, is no worse for it.
/// </summary>
public sealed partial class SystemBusService(IEnumerable<IBusClient> clients, ReconcileLoop loop, TimeProvider time, ILogger<SystemBusService> log)
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(30);

    private readonly IReadOnlyList<IBusClient> _clients = [.. clients];
    private SystemBus? _bus;
    private string? _said;

    /// <summary>Runs until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        loop.Passed += WakeUp;
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        new Thread(() =>
        {
            try
            {
                Work(cancellation);
                ended.SetResult();
            }
#pragma warning disable CA1031 // the boundary of a thread: it is thrown again by whoever awaits
            catch (Exception e)
#pragma warning restore CA1031
            {
                ended.SetException(e);
            }
        })
        { IsBackground = true, Name = "system bus" }.Start();
        using var _ = cancellation.Register(WakeUp);
        await ended.Task.ConfigureAwait(false);
        cancellation.ThrowIfCancellationRequested();
    }

    private void WakeUp() => Volatile.Read(ref _bus)?.Post(() => { });

    private void Work(CancellationToken cancellation)
    {
        while (!cancellation.IsCancellationRequested)
        {
            try
            {
                using var bus = SystemBus.Open();
                foreach (var client in _clients)
                    client.Join(bus);
                Volatile.Write(ref _bus, bus);
                while (!cancellation.IsCancellationRequested)
                {
                    bus.Process();
                    foreach (var client in _clients)
                        client.Look(bus);
                    bus.Wait(LookAgain);
                }
            }
            catch (Exception e) when (e is NativeException or NativeLibraryMissingException)
            {
                // Once for each reason: most hosts without a bus never get one.
                if (_said != e.Message)
                    LogNoBus(e.Message);
                _said = e.Message;
            }
            finally
            {
                Volatile.Write(ref _bus, null);
                foreach (var client in _clients)
                    client.Leave();
            }

            Task.Delay(Pause, time, cancellation).ContinueWith(_ => { }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default).Wait(CancellationToken.None);
        }
    }

    [LoggerMessage(1501, LogLevel.Debug, "no system bus: {Reason}")]
    private partial void LogNoBus(string reason);
}
