using Accelerated.Agent.Etcd.Proto;

namespace Accelerated.Agent.Etcd;

/// <summary>One watch stream, confirmed by etcd.</summary>
internal sealed class EtcdWatch : IDisposable
{
    private readonly EtcdConnection _connection;
    private readonly HttpResponseMessage _response;
    private readonly GrpcReader _reader;
    private readonly CancellationTokenSource _lifetime;
    private readonly CancellationToken _caller;
    private readonly WatchContent _request;
    private readonly ITimer _silence;
    private bool _isBroken;
    private bool _isAsked;
    private bool _isSilent;

    internal EtcdWatch(
        EtcdConnection connection,
        HttpResponseMessage response,
        Stream body,
        WatchContent request,
        TimeProvider time,
        CancellationTokenSource lifetime,
        CancellationToken caller)
    {
        _connection = connection;
        _response = response;
        _reader = new GrpcReader(body);
        _request = request;
        _lifetime = lifetime;
        _caller = caller;
        _silence = time.CreateTimer(static watch => ((EtcdWatch)watch!).OnSilence(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>How long nothing may come before etcd is asked whether the watch lives.</summary>
    internal static TimeSpan Patience { get; } = TimeSpan.FromSeconds(4);

    /// <summary>How long it has to answer that. The connection's pings are no answer: a member can keep them up and serve no watch.</summary>
    internal static TimeSpan AnswerLimit { get; } = TimeSpan.FromSeconds(3);

    /// <summary>The store's revision, as etcd said it when it confirmed the watch.</summary>
    internal long Revision { get; private set; }

    /// <summary>Waits for etcd's confirmation.</summary>
    internal async Task ConfirmAsync()
    {
        var answer = await ReadAsync().ConfigureAwait(false);
        if (!answer.Created)
            throw new InvalidDataException("it sent events before it confirmed the watch");

        Revision = answer.Header?.Revision ?? 0;
    }

    /// <summary>Waits for the next batch; one that etcd sent in fragments is put together.</summary>
    internal async Task<EtcdWatchBatch> NextAsync()
    {
        try
        {
            List<EtcdWatchEvent>? events = null;
            while (true)
            {
                var answer = await ReadAsync().ConfigureAwait(false);
                if (answer.Events.Count > 0)
                {
                    events ??= new List<EtcdWatchEvent>(answer.Events.Count);
                    foreach (var one in answer.Events)
                        events.Add(EtcdMessages.ToEvent(one));
                    if (events.Count > EtcdMessages.MaxEntries)
                        throw new InvalidDataException($"it sent more than {EtcdMessages.MaxEntries} changes at once");
                }

                if (!answer.Fragment)
                    return new EtcdWatchBatch(answer.Header?.Revision ?? 0, events ?? (IReadOnlyList<EtcdWatchEvent>)[]);
            }
        }
        catch (Exception e) when (e is not EtcdException)
        {
            _isBroken = !_lifetime.IsCancellationRequested;
            if (Volatile.Read(ref _isSilent) && _isBroken)
                throw EtcdFailure.Silent(_connection.Endpoint, AnswerLimit, e);
            throw _connection.Failure(e, timedOut: false, write: false, _caller);
        }
    }

    /// <summary>Ends the stream, on etcd's side too.</summary>
    /// <remarks>
    /// An answer whose connection went down is left to the garbage collector: nothing is lost, the stream is gone with its connection.
    /// With ILLink 10.0.12 and EventSourceSupport off, disposing of it waited for ever (the cause and the cure are in the project file);
    /// an agent must not hang over what the trimmer does to a lock in the HTTP stack.
    /// </remarks>
    public void Dispose()
    {
        if (!_isBroken)
        {
            _lifetime.Cancel();
            _response.Dispose();
        }

        _silence.Dispose();
        _lifetime.Dispose();
    }

    private async Task<WatchResponse> ReadAsync()
    {
        Volatile.Write(ref _isAsked, false);
        _silence.Change(Patience, Timeout.InfiniteTimeSpan);
        WatchResponse? answer;
        try
        {
            answer = await _reader.ReadAsync(EtcdMethods.Watch.Parser, _lifetime.Token).ConfigureAwait(false);
        }
        catch
        {
            // Or it would end the connection of those that come after this one.
            _silence.Dispose();
            throw;
        }

        _silence.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        if (answer is null)
        {
            _connection.CheckStatus(_response, write: false);
            throw new EndOfStreamException("etcd ended the watch");
        }

        if (!answer.Canceled)
            return answer;

        if (answer.CompactRevision > 0)
        {
            throw new EtcdCompactedException(
                $"etcd at {EtcdFailure.Name(_connection.Endpoint)}: the revision to watch from is compacted, the oldest one left is " +
                $"{answer.CompactRevision}",
                _connection.Endpoint,
                answer.CompactRevision);
        }

        // etcd says here as text what it says as a status elsewhere.
        var reason = answer.CancelReason.Length > 0 ? GrpcStatus.OnOneLine(answer.CancelReason) : "etcd cancelled the watch";
        var code = reason.Contains("permission denied", StringComparison.Ordinal) ? EtcdStatusCode.PermissionDenied
            : reason.Contains("auth token", StringComparison.Ordinal) ? EtcdStatusCode.Unauthenticated
            : EtcdStatusCode.Unavailable;
        throw EtcdFailure.FromStatus(new GrpcStatus(code, reason), _connection.Endpoint, write: false);
    }

    private void OnSilence()
    {
        if (!Volatile.Read(ref _isAsked))
        {
            Volatile.Write(ref _isAsked, true);
            _request.AskForProgress();
            _silence.Change(AnswerLimit, Timeout.InfiniteTimeSpan);
            return;
        }

        Volatile.Write(ref _isSilent, true);
        _connection.Abort();
    }
}
