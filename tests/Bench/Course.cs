using System.Net;
using Accelerated.Lab;

namespace Accelerated.Bench;

/// <summary>Between whom a load goes.</summary>
/// <param name="Client">Who begins.</param>
/// <param name="Server">Who answers.</param>
/// <param name="ServerAddress">What the server listens on.</param>
/// <param name="Target">What the client connects to; another address than the server's own where a host translates it.</param>
/// <param name="Duration">How long is measured, in whole seconds.</param>
/// <param name="SettledAsync">To be called when the flow is as it will stay, and before the measured time: counters count from here.</param>
/// <param name="Cancel">Ends the load.</param>
internal sealed record Course(
    LabHost Client, LabHost Server, IPAddress ServerAddress, IPAddress Target, TimeSpan Duration, Func<Task> SettledAsync, CancellationToken Cancel)
{
    /// <summary>Where the servers listen. Never both at once.</summary>
    public const int Port = 5201;
}
