using Accelerated.Interop.Systemd;

namespace Accelerated.Agent.Bus;

/// <summary>What the agent has to do with one service on the system bus. Called by the bus's thread alone.</summary>
public interface IBusClient
{
    /// <summary>The bus is there, or there again: nothing is known of it yet.</summary>
    void Join(SystemBus bus);

    /// <summary>Something may have changed, here or there. The usual answer is to find that all is as it should be.</summary>
    void Look(SystemBus bus);

    /// <summary>The bus is gone.</summary>
    void Leave()
    {
    }
}
