using Accelerated.Agent.Api;
using Accelerated.Agent.Reconcile;
using Accelerated.Interop.Systemd;

namespace Accelerated.Agent.Systemd;

/// <summary>
/// Keeps the service manager informed: ready after the first pass that succeeded, one line of status that follows every pass, and what the
/// agent is doing when it reloads, stops or fails. Silent where no service manager listens.
/// </summary>
public sealed class ServiceSupervision(ReconcileLoop loop, StatusReporter reporter)
{
    private readonly Lock _gate = new();
    private string? _shown;
    private bool _isReady;
    private int _reloads;
    private bool _isOver;

    /// <summary>Begins to follow the loop.</summary>
    public void Start()
    {
        if (ServiceNotifier.IsSupervised)
            loop.Passed += Follow;
    }

    /// <summary>The agent begins to reload. <c>MONOTONIC_USEC</c> tells a <c>Type=notify-reload</c> unit (systemd 253) that it is this reload and no earlier one.</summary>
    public void Reloading()
    {
        lock (_gate)
        {
            _reloads++;
            ServiceNotifier.Send("RELOADING=1", ServiceNotifier.MonotonicNow);
        }
    }

    /// <summary>A reload is done. Of several at once the last one counts.</summary>
    public void Reloaded()
    {
        lock (_gate)
        {
            if (--_reloads == 0 && _isReady && !_isOver)
                ServiceNotifier.Send("READY=1");
        }
    }

    /// <summary>The agent ends; a second call does nothing.</summary>
    /// <param name="why">What <c>systemctl status</c> shows afterwards.</param>
    public void Stopping(string why)
    {
        lock (_gate)
        {
            if (_isOver)
                return;
            _isOver = true;
            ServiceNotifier.Send("STOPPING=1", $"STATUS={why}");
        }
    }

    private void Follow()
    {
        lock (_gate)
        {
            if (_isOver)
                return;
            var line = reporter.Line();
            var becomesReady = !_isReady && loop.Outcome.Ready;
            _isReady |= becomesReady;
            if (becomesReady && _reloads == 0)
                ServiceNotifier.Send("READY=1", $"STATUS={line}");
            else if (line != _shown)
                ServiceNotifier.Send($"STATUS={line}");
            _shown = line;
        }
    }
}
